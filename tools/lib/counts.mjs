// How many tests passed and failed, and what is said of those that failed, out of what test runners print.

/** Cargo's harness: the last line of each test program. */
export function countCargo(output) {
  return sum(output, /^test result: .*?(\d+) passed; (\d+) failed/gm);
}

/** What Cargo's harness prints of the tests that failed: what each one printed, with how it failed. */
export function failedCargo(output) {
  return [...output.matchAll(/^---- \S+ std(?:out|err) ----\n(?:(?!failures:|---- ).*\n)*/gm)].map(([told]) =>
    told.trimEnd(),
  );
}

/** wasm-bindgen's runner, which in Node ends a failed run without such a line: the tests one by one. */
export function countWasm(output) {
  const count = (pattern) => [...output.matchAll(pattern)].length;
  return { passed: count(/^test .* \.\.\. ok$/gm), failed: count(/^test .* \.\.\. FAIL/gm) };
}

/** Node's runner in its TAP form; cancelled tests have failed. */
export function countTap(output) {
  const last = (word) =>
    Number([...output.matchAll(new RegExp(`^# ${word} (\\d+)$`, 'gm'))].at(-1)?.[1] ?? 0);
  return { passed: last('pass'), failed: last('fail') + last('cancelled') };
}

/** What Node's runner prints in its TAP form of the tests that failed: their names, errors and stacks. */
export function failedTap(output) {
  return [...output.matchAll(/^ *not ok .*\n(?:(?! *\.\.\.$).*\n)*/gm)].map(([told]) => told.trimEnd());
}

function sum(output, pattern) {
  let passed = 0;
  let failed = 0;
  for (const [, good, bad] of output.matchAll(pattern)) {
    passed += Number(good);
    failed += Number(bad);
  }
  return { passed, failed };
}

/** How to read what each runner prints. wasm-bindgen's tells all that failed at its end. */
export const CARGO = { count: countCargo, failures: failedCargo };
export const WASM = { count: countWasm, failures: () => [] };
export const TAP = { count: countTap, failures: failedTap };
