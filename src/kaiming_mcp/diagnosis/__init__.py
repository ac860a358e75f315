"""Rules that turn a network, its signal and what the user said into findings and a scaffold."""
