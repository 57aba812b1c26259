"""What the predictions are worth: figures in numbers and in pictures. NumPy only."""
