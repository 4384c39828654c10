"""What is measured, a module for each topic. A part takes the harness and returns what it found."""
