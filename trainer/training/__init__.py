"""The training loop, its schedules, and the state that survives a restart."""
