"""Reserved tasks: admitted or refused, logged, and acknowledged, failed or dead-lettered at their end."""
