# Functions of the rules that train, predict and evaluate; no rules here.


@cache  # every model on it asks
def settings_of_stream(source):
    return jobs.stream_settings(CONFIG, source)


def stream_of_source(wildcards):
    """Settings of a training source that is a stream; None for data domains."""
    if wildcards.source not in CONFIG.streams():
        return None
    return settings_of_stream(wildcards.source)


def model_of_run(wildcards):
    """Name of the model that a job trains, predicts with or adapts."""
    if "adapted" in wildcards.keys():
        return [ADAPTATIONS[wildcards.adapted].model]
    return [wildcards.model]


def recommended_model(wildcards):
    return [CONFIG.evaluate.recommended.model] if CONFIG.evaluate.recommended else []


def matrices_of_source(wildcards):
    """Scattering matrices that a stream is measured on."""
    if wildcards.source not in CONFIG.streams():
        return []
    settings = settings_of_stream(wildcards.source)
    crystals = dict.fromkeys(s["crystal"] for s in settings["specimens"])
    return [f"<results>/scattering/{name}.nc" for name in crystals]


def datasets_of_source(wildcards):
    return [f"<results>/datasets/{d}.nc" for d in CONFIG.domains_of(wildcards.source)]


def of_displacements(pattern):
    """A pattern for each data domain whose displacements are fitted."""
    section = CONFIG.evaluate.displacements
    return [pattern.format(domain=name) for name in (section.fitted if section else ())]


DISPLACEMENTS = ["<results>/displacements.json"] if of_displacements("{domain}") else []


def of_fitted_maps(pattern):
    """A pattern for each mapped experiment whose displacements are fitted."""
    section = CONFIG.evaluate.displacements
    return [
        pattern.format(experiment=n) for n in (section.experiments if section else ())
    ]


def domains_apart():
    """Data domains whose displacements are scored each by itself."""
    section = CONFIG.evaluate.displacements
    return [d for d in (section.also if section else ()) if d not in section.domains]


def microscope_of_displacements():
    """Crystal and microscope of the recommended model, whose library tells thickness and tilt."""
    if not DISPLACEMENTS:
        return None
    return jobs.trained_for(CONFIG, CONFIG.evaluate.recommended.source)


def positions_of_displacements():
    return CONFIG.evaluate.displacements.positions if DISPLACEMENTS else None


def tested_datasets():
    return [f"<results>/datasets/{domain}.nc" for domain in CONFIG.evaluate.domains]


def model_options(wildcards):
    return jobs.model_settings(CONFIG, wildcards.model, wildcards.source)


def trained_for(wildcards):
    return jobs.trained_for(CONFIG, wildcards.source)


def labels_are_shuffled(wildcards):
    return CONFIG.models[wildcards.model].shuffled_labels


def per_adapted_run(template):
    """Fill name, source and seed of every trained model that is fitted to scans into a path."""
    return [
        template.format(model=name, source=source, seed=seed)
        for name, source, seed in CONFIG.adapted_runs()
    ]


def model_to_adapt(wildcards):
    model = ADAPTATIONS[wildcards.adapted].model
    return f"<results>/models/{model}/{wildcards.source}/{wildcards.seed}"


def datasets_to_adapt_to(wildcards):
    domains = ADAPTATIONS[wildcards.adapted].domains or CONFIG.evaluate.domains
    return [f"<results>/datasets/{domain}.nc" for domain in domains]


def adaptation_settings(wildcards):
    settings = ADAPTATIONS[wildcards.adapted].model_dump(mode="json")
    return {key: settings[key] for key in ("method", "scan", "turned_copies")}


def per_run(template):
    """Fill model, source and seed of every training run into a path."""
    return [
        template.format(model=model, source=source, seed=seed)
        for model, source, seed in CONFIG.runs()
    ]


REFERENCE_MODEL = ["<results>/reference_model"] if CONFIG.evaluate.recommended else []


def of_recommended(template):
    """Fill the recommended run, with the first seed, into a path; nothing if none is named."""
    best = CONFIG.evaluate.recommended
    if best is None:
        return []
    return template.format(
        model=best.model, source=best.source, seed=CONFIG.train.seeds[0]
    )
