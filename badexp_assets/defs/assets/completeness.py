"""Completeness: the fraction of injected anomalies that the current models find."""

from functools import partial

import dagster as dg
import pandas as pd

from badexp_assets import classify
from badexp_assets.defs.asset_metadata import picture, preview, table_asset
from badexp_assets.defs.classifier_inputs import trained_exposures
from badexp_assets.defs.io_managers import NightTables
from badexp_assets.defs.partitions import PIXELS
from badexp_assets.defs.resources import Progress, SurveyResource
from badexp_assets.evaluation import completeness
from badexp_assets.evaluation.completeness.entropy_cuts import EntropyCuts
from badexp_assets.labels.taxonomy import GOOD
from badexp_assets.orchestration.failures import asset
from badexp_assets.orchestration.step_resources import step_resources
from badexp_assets.pixels.device_shares import load_pass_setup


@asset(
    op_tags=step_resources(cpus=16, memory_gib=64, hours=48, gpus=1),
    **table_asset(
        "injection_completeness",
        "Completeness by injection: anomalies of increasing severity are injected into good exposures of the test "
        "split, and the whole chain from reading to decision runs on them. The table has the fraction that the "
        "classifier and the entropy scores find, and their false alarms on the unchanged exposures. Made on request "
        "only.",
        "models",
        {"pytorch", "scikitlearn", "parquet"},
    ),
    pool=PIXELS,
)
def injection_completeness(
    context: dg.AssetExecutionContext,
    survey: SurveyResource,
    training_set: pd.DataFrame,
    night_exposures: NightTables,
    night_predictions: NightTables,
    night_mosaic_embeddings: NightTables,
    night_entropy_scores: NightTables,
    entropy_reference: pd.DataFrame,
    fitted_classifier: classify.Classifier,
    progress: dg.ResourceParam[Progress],
) -> dg.Output[pd.DataFrame]:
    """Inject, read, score and count, one exposure at a time, in a scratch folder of the home."""
    settings = survey.settings()
    archive = settings.archive_folder()
    params = settings.options.injection
    plan = completeness.plan_injection(
        training_set, night_exposures.concatenated(), params, trained_exposures(settings.home)
    )
    context.log.info(str(plan))
    setup = load_pass_setup(settings)
    fitted_classifier.check_fits(setup.embedder.backbone_id, setup.embedder.recipe_id)
    good = set(training_set.loc[training_set["category"] == GOOD, "expnum"]) - set(plan.exposures["expnum"])
    chain = completeness.Chain(
        setup,
        survey.camera(),
        fitted_classifier,
        settings.options.decision,
        settings.options.vote,
        entropy_reference,
        EntropyCuts.of_good(
            night_entropy_scores.concatenated(), good, settings.options.candidates, settings.options.entropy.rank_by
        ),
        night_exposures,
        night_predictions,
        night_mosaic_embeddings,
    )
    with completeness.scratch_folder(settings.home.injection) as work:
        found = completeness.measure_completeness(
            plan, archive, chain, work, partial(progress.report, context, str(plan))
        )
    for finding in found.findings:
        context.log.warning(finding)
    table = completeness.completeness_table(
        found.outcomes,
        fitted_classifier.version,
        str(entropy_reference["version"].iloc[0]) if len(entropy_reference) else None,
        setup.embedder.backbone_id,
        setup.embedder.recipe_id,
        params.seed,
    )
    alarms = table[table["severity"] == 0]
    return dg.Output(
        table,
        metadata={
            "plan": str(plan),
            "exposures": dg.MetadataValue.json(plan.exposures["expnum"].astype(int).tolist()),
            "findings": dg.MetadataValue.json(list(found.findings)),
            "false alarms": preview(alarms[["category", "method", "n", "n_found", "completeness", "low", "high"]], 40),
            "cuts of the entropy scores": dg.MetadataValue.json(
                {" ".join(key): round(cut, 3) for key, cut in sorted(chain.cuts.cuts.items())}
            ),
            **picture(completeness.completeness_figure(table), "completeness"),
        },
    )
