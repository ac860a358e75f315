"""Which of the look-alikes of vanishing and exploding gradients a run shows, where, and what decides."""
