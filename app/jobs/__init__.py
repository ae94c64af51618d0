"""The doorbell: arq over Redis. What must happen stands in the database; a lost ring costs time only."""
