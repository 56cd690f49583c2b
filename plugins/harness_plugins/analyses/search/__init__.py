"""How the searches went: tables of trials, budgets and parameters."""
