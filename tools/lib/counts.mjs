// How many tests passed and failed, out of what test runners print.

/** Cargo's harness: the last line of each test program. */
export function countCargo(output) {
  return sum(output, /^test result: .*?(\d+) passed; (\d+) failed/gm);
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

function sum(output, pattern) {
  let passed = 0;
  let failed = 0;
  for (const [, good, bad] of output.matchAll(pattern)) {
    passed += Number(good);
    failed += Number(bad);
  }
  return { passed, failed };
}
