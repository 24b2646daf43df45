"""Which events are sent: per store and metric on, off, for a share of the profiles, or as a dry run; and the switch for all."""
