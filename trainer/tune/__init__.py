"""The command that searches for the settings with the best validation accuracy."""
