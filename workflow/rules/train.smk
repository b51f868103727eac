# Training: one job for each model, source of patterns and seed.


rule train_model:
    """Train one model and save it."""
    input:
        datasets=datasets_of_source,
        matrices=matrices_of_source,
    output:
        model=directory("<results>/models/{model}/{source}/{seed}"),
    log:
        "<logs>/train_model/{model}/{source}/{seed}.log",
    benchmark:
        "<benchmarks>/train_model/{model}/{source}/{seed}.jsonl"
    # the longest first, so that it does not run alone at the end
    priority: training_size
    conda:
        "../../envs/train.yaml"
    # a stream is measured beside the training; the numbers do not depend on the number of cores
    threads: training_threads
    resources:
        mem_mb=grows(job_memory.training_mb(CONFIG)),
        runtime=grows(training_minutes),
        gpu=training_gpus,
    params:
        code=code_of("train_model", model_of_run),
        options=model_options,
        stream=stream_of_source,
        shuffled_labels=labels_are_shuffled,
        trained_for=trained_for,
        class_names=class_names(),
        class_directions=class_directions(),
        device=CONFIG.train.device,
        memory_mb=CONFIG.train.memory_mb,
        seed=CONFIG.seed,
    script:
        "../scripts/train_model.py"
