"""The command that registers models, and releases those that pass every gate."""
