"""A flow file that cannot be imported."""

import a_dependency_that_nobody_has

flow = a_dependency_that_nobody_has.flow()
