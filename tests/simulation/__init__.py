"""The engine in simulated worlds where everything fails; and bugs put into it on purpose, which have to be found."""
