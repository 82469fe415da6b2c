"""Simulation and the private Asterisk: virtual-time runs, scripted phones, traffic, demo and lab.

May import everything; nothing of the product may need it at run time.
"""
