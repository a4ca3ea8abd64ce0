"""Rows about faults."""
def kill(b): pass
def powercut(b): pass
def diskfull(b): pass
def clock(b): pass
def memory(b): pass
def abuse(b): pass
