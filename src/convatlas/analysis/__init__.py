"""Looking at a network: the arithmetic of every shape, its cost, and what each cell sees."""
