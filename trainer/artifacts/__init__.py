"""What one run leaves behind: SavedModel, report, model card, manifest."""
