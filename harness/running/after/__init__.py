"""What is recorded once the runs are over, for the reports: nothing here trains an arm, and all of it is made only once."""
