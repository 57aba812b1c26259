"""The command that checks a job, says what it costs, sends it to Vertex AI and follows it to its end."""
