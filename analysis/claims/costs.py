"""Claims on parameters and multiply-adds saved."""

from collections.abc import Callable
from fractions import Fraction

from analysis import paper
from analysis.claims.finding import Finding, Recomputed, Sources, exact, yes_or_no
from analysis.claims.structure import named
from analysis.cost import closed_form, equations
from analysis.cost.closed_form import Layer, msrn, smsrn
from analysis.names import DISPLAY
from analysis.networks import catalogue, lightened
from analysis.quality.columns import AVERAGE
from analysis.quality.conditions import dead_text
from analysis.quality.ladder import OTHER_PAIR, Rung, headline
from analysis.quality.training import share_with_range
from analysis.text import percent


def recursive_networks(sources: Sources) -> Finding:
    """What DRCN and DRRN save by sharing weights: counted, and counted again on rebuilt networks that share none."""
    saves_parameters, saves_macs, words = [], [], []
    plain = paper.published_row("VDSR").gmacs
    assert plain
    for name in ("DRCN", "DRRN"):
        shared, separate, published = catalogue.counted(name), catalogue.unshared(name), paper.published_row(name).gmacs
        assert published
        saves_parameters.append(shared.params < separate.params)
        saves_macs.append(shared.macs < separate.macs)
        words.append(
            f"{name} has {shared.params:,} parameters instead of {separate.params:,}, and {shared.macs / 1e9:,.1f} G "
            f"MACs instead of {separate.macs / 1e9:,.1f} G ({published:,} G published, {published / plain:.0f} times "
            f"VDSR's {plain} G)"
        )
    full, light = (closed_form.gmacs_720p(layers, 4) for layers in (msrn(), smsrn()))
    values: dict[str, Recomputed] = {
        "DRCN and DRRN save parameters": yes_or_no(all(saves_parameters)),
        "DRCN and DRRN save computation": yes_or_no(any(saves_macs)),
        "SMSRN saves computation": yes_or_no(light < full),
    }
    reason = (
        "Counted for a 1280x720 output, and again with the networks rebuilt so that each application has weights of "
        f"its own: {'; '.join(words)}. SMSRN needs {light:,.1f} G, MSRN {full:,.1f} G."
    )
    return Finding(values, reason)


def other_networks(sources: Sources) -> Finding:
    """Whether other networks become lighter by the same transformation."""
    cases = [case for case in lightened.published() if not case.title.startswith("MSRN")]
    macs = [1 - case.after.macs / case.before.macs for case in cases]
    params = [1 - case.after.params / case.before.params for case in cases]
    lighter = all(value > 0 for value in (*macs, *params))
    reason = (
        f"Every standard convolution replaced in {len(cases)} published networks "
        f"({', '.join(case.title for case in cases)}): they save {percent(min(params))} to {percent(max(params))} of "
        f"the parameters and {percent(min(macs))} to {percent(max(macs))} of the MACs."
    )
    trained = [rung for rung in sources.other_rungs if AVERAGE in rung.loss]
    scope = "the cost; none of them was trained afterwards, so what it does to the pictures is open"
    if trained:
        longest = max(trained, key=lambda rung: rung.steps)
        reason += f" {DISPLAY[OTHER_PAIR[0]]} loses {lost(longest)} after {longest.steps:,} steps of training here."
        scope = f"the cost; of them only {DISPLAY[OTHER_PAIR[0]]} was trained afterwards here, and not for long"
    return Finding({"other networks become lighter": yes_or_no(lighter)}, reason, scope)


def lost(rung: Rung) -> str:
    """What the separable network of a pair loses on average over the sets, with its interval."""
    loss = rung.loss[AVERAGE]
    dead = ", ".join(f"{DISPLAY[one.run.model]} {dead_text(one.run)}" for one in (rung.full, rung.light))
    return (
        f"{loss.mean:.3f} dB ({loss.low:.3f} to {loss.high:.3f} over the choice of test images; dead filters: {dead})"
    )


def separable_replaces(sources: Sources) -> Finding:
    """Fewer parameters, counted; lower PSNR, by trainings under equal conditions here."""
    fewer = closed_form.total_params(smsrn()) < closed_form.total_params(msrn())
    values: dict[str, Recomputed] = {"fewer parameters": yes_or_no(fewer)}
    measured = [rung for rung in sources.rungs if AVERAGE in rung.loss]
    if not measured:
        return Finding(values, "Parameters counted. No pair of equal trainings is measured here.", undecided=True)
    first = headline(measured)
    assert first
    longest = [rung for rung in measured if rung.length == first.length]
    losses = [rung.loss[AVERAGE] for rung in longest]
    listed = "; ".join(f"seed {rung.seed}: {lost(rung)}" for rung in longest)
    budget = f"{longest[0].steps:,} steps ({share_with_range(longest[0].share)} of the paper's training)"
    reason = f"Parameters counted. PSNR that SMSRN loses on average after {budget}, both trained alike: {listed}."
    for rung in (one for one in measured if one.steps > first.steps):
        reason += f" A longer pair, of {rung.steps:,} steps, loses {lost(rung)}."
    if not (all(loss.low > 0 for loss in losses) or all(loss.high < 0 for loss in losses)):
        return Finding(values, f"{reason} That is no clear loss or gain.", undecided=True)
    values["lower PSNR"] = yes_or_no(losses[0].mean > 0)
    pairs = f"{len(longest)} pair{'' if len(longest) == 1 else 's'} of trainings"
    scope = f'MSRN at x4 after {longest[0].steps:,} steps, {pairs}; "slight" and "radically" are judgements'
    return Finding(values, reason, scope)


def at(kernel: int) -> Layer:
    """The second layer with that kernel of an MSRN block, where N = 128."""
    return named(msrn(), f"body.0.conv_{kernel}_2")


def ratio(kernel: int) -> Callable[[Sources], Finding]:
    """Equation 5 for one kernel size and the N of the blocks' second pair."""

    def recompute(sources: Sources) -> Finding:
        layer = at(kernel)
        value, narrow = equations.ratio(kernel, layer.out_channels), named(msrn(), f"body.0.conv_{kernel}_1")
        values: dict[str, Recomputed] = {
            "N": exact(layer.out_channels),
            "W_k": exact(layer.kernel),
            "equation 5": exact(value),
        }
        reason = (
            f"1/{layer.out_channels} + 1/{kernel**2} = {float(value):.6f}. It is the ratio of the second pair of a "
            f"block; the first pair has N = {narrow.out_channels} and "
            f"{float(equations.ratio(kernel, narrow.out_channels)):.4f}."
        )
        return Finding(values, reason)

    return recompute


def saving(kernel: int) -> Callable[[Sources], Finding]:
    """What equation 5 saves, in percent."""

    def recompute(sources: Sources) -> Finding:
        saved = 100 * (1 - equations.ratio(kernel, at(kernel).out_channels))
        return Finding({"saved, %": exact(saved)}, f"100 (1 - {float(1 - saved / 100):.6f}) = {float(saved):.4f}.")

    return recompute


def saving_mean(sources: Sources) -> Finding:
    """The plain mean of the two savings."""
    three, five = (1 - equations.ratio(kernel, at(kernel).out_channels) for kernel in (3, 5))
    average = (three + five) / 2
    reason = (
        f"The plain mean of {percent(three, 2)} (3x3) and {percent(five, 2)} (5x5), two layers with N = 128, is "
        f"{percent(average, 2)}. What the network saves is the claim saving-92-network."
    )
    return Finding({"saved on average, %": exact(100 * average)}, reason)


def saving_network(sources: Sources) -> Finding:
    """What the whole of SMSRN saves of MSRN's multiply-adds, in percent."""
    full, light = closed_form.total_macs(msrn()), closed_form.total_macs(smsrn())
    saved = 1 - Fraction(light, full)
    reason = (
        f"{light:,} instead of {full:,} multiply-adds for each LR pixel: {percent(saved)} fewer, because the 1x1 "
        "layers, the upsampler and the tail do not shrink."
    )
    return Finding({"saved by SMSRN against MSRN, %": exact(100 * saved)}, reason)


def computation_too(sources: Sources) -> Finding:
    """Whether the whole network has fewer parameters and fewer MACs."""
    macs = 1 - closed_form.total_macs(smsrn()) / closed_form.total_macs(msrn())
    params = 1 - closed_form.total_params(smsrn()) / closed_form.total_params(msrn())
    reason = f"The whole network: {percent(params)} fewer parameters, {percent(macs)} fewer multiply-adds."
    return Finding({"fewer parameters": yes_or_no(params > 0), "less computation": yes_or_no(macs > 0)}, reason)
