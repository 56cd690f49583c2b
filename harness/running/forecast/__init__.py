"""What a benchmark will take on this machine: ``pace`` times steps in workers, ``queue`` lets them work through the plan."""
