import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countCargo, countTap, countWasm, failedCargo, failedTap } from '../../tools/lib/counts.mjs';

test('the results of all test programs are added up', () => {
  const output =
    'running 2 tests\n..\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n' +
    'noise\ntest result: FAILED. 3 passed; 1 failed; 0 ignored\n';
  assert.deepEqual(countCargo(output), { passed: 5, failed: 1 });
  assert.deepEqual(countCargo(''), { passed: 0, failed: 0 });
});

test("Node's summary is read, with cancelled tests as failures", () => {
  assert.deepEqual(countTap('1..4\n# tests 4\n# pass 2\n# fail 1\n# cancelled 1\n'), {
    passed: 2,
    failed: 2,
  });
});

test('wasm tests are counted one by one', () => {
  assert.deepEqual(countWasm('test a ... ok\ntest b ... FAIL\nfailures:\n'), { passed: 1, failed: 1 });
  assert.deepEqual(countWasm('no tests to run!\n'), { passed: 0, failed: 0 });
});

test('tests that failed are told, wherever they stand among the others', () => {
  const tap =
    "ok 1 - a\n  ---\n  duration_ms: 1\n  ...\n# Subtest: b\nnot ok 2 - b\n  ---\n  error: 'no'\n  ...\nok 3 - c\n  ---\n  ...\n";
  assert.deepEqual(failedTap(tap), ["not ok 2 - b\n  ---\n  error: 'no'"]);
  const cargo =
    'test a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nthread b panicked\n  left: 1\n\n---- c stdout ----\nno\n\n' +
    'failures:\n    b\n    c\n\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\n     Running the next\n';
  assert.deepEqual(failedCargo(cargo), [
    '---- b stdout ----\nthread b panicked\n  left: 1',
    '---- c stdout ----\nno',
  ]);
  assert.deepEqual([failedTap('ok 1 - a\n'), failedCargo('test a ... ok\n')], [[], []]);
});
