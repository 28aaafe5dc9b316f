from .combined_ranking import Combined as Combined
from .combined_ranking import combine as combine
from .known_outcomes import known_outcomes as known_outcomes
from .known_outcomes import read_truth as read_truth
from .top_rates import METHODS as METHODS
from .top_rates import found_by as found_by
from .top_rates import rates_figure as rates_figure
from .top_rates import true_positive_rates as true_positive_rates
