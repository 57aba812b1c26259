"""What speaks to Vertex AI."""
