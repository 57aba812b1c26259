"""Ways to train the reference network, each a program that trains a round whenever it is told to.

A contender reads its batch size from the command line, prints one JSON line about itself when it is ready, and then,
for each line on stdin, trains one round and prints the seconds that took. ``benchmarks/training_throughput.py`` lets
them take turns, so that all of them meet the same weather on a shared machine.
"""
