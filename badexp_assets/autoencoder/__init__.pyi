from .model import StampAutoencoder as StampAutoencoder
from .plots import plot_loss as plot_loss
from .plots import plot_reconstructions as plot_reconstructions
from .sampling import sample_stamps as sample_stamps
from .scores import score_reconstruction as score_reconstruction
from .training import train_autoencoder as train_autoencoder
