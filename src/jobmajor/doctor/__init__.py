"""What this installation and a workspace have, what they lack, and the command that mends it."""
