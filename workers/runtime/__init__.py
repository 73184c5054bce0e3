"""What runs jobs: the worker's app, the executor with heartbeat and checkpoints, the sweeper."""
