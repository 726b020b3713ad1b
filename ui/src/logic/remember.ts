/** Keeps the last few results of a function, so that going back and forth costs nothing. */

/** Results are found by identity of their inputs; the one that was not used for longest goes first. */
export function remember<Inputs extends readonly unknown[], Result>(
  nKept: number,
  compute: (...inputs: Inputs) => Result,
): (...inputs: Inputs) => Result {
  const known: { inputs: Inputs; result: Result }[] = [];
  return (...inputs) => {
    const at = known.findIndex((entry) => entry.inputs.every((input, i) => input === inputs[i]));
    const entry = at < 0 ? { inputs, result: compute(...inputs) } : known.splice(at, 1)[0];
    known.unshift(entry);
    if (known.length > nKept) known.pop();
    return entry.result;
  };
}
