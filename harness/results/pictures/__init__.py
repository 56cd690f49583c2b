"""Pictures that the core draws without torch: ``range_test`` draws learning-rate curves, ``walks`` optimizers on landscapes."""
