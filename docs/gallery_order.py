"""In which order the gallery shows the examples."""

FIRST = [
    "plot_recommend_movies.py",
    "plot_article_walkthrough.py",
    "plot_unobserved_weight.py",
    "plot_play_counts.py",
    "plot_grid_search.py",
    "plot_is_it_better.py",
    "plot_choose_estimator.py",
    "plot_ridge_and_lasso.py",
    "plot_few_ratings.py",
    "plot_diverse_lists.py",
    "plot_newcomer.py",
    "plot_every_night.py",
    "plot_new_films.py",
    "plot_map_of_films.py",
    "plot_bayesian_uncertainty.py",
    "plot_pipeline.py",
    "plot_embedding_features.py",
]


class ReadingOrder:
    """Key that sorts the named examples first, others after them by name.

    Parameters
    ----------
    folder : str
        Where the examples lie.
    """

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, name):
        return FIRST.index(name) if name in FIRST else len(FIRST), name
