"""What a Google Cloud project must hold for all this. Standard library only: it is set up before anything else is."""
