import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countCargo, countTap, countWasm } from '../../tools/lib/counts.mjs';

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
