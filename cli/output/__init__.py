"""Text for people at a terminal: `render`, `dead_letter_view`. Imports contracts and the kit."""
