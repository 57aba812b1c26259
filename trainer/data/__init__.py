"""From where the data lies to arrays that can be trusted: locate, read, check, split, batch."""
