"""The command that runs a job on this machine the way Vertex AI would."""
