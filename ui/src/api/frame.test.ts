import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeFrame, FRAME_HEADER } from "./frame";

function frame(series: number, points: number, values: number[]): ArrayBuffer {
  const bytes = new ArrayBuffer(FRAME_HEADER + values.length * 8);
  const view = new DataView(bytes);
  view.setUint8(0, 1);
  view.setUint8(1, 2);
  view.setUint32(4, 17, true);
  view.setUint32(8, 4000000000, true);
  view.setUint32(12, 3, true);
  view.setBigInt64(16, 1700000000000n, true);
  view.setUint32(24, 5000, true);
  view.setUint32(32, series, true);
  view.setUint32(36, points, true);
  values.forEach((v, i) => view.setFloat64(FRAME_HEADER + i * 8, v, true));
  return bytes;
}

test("a frame is read field by field", () => {
  const f = decodeFrame(frame(2, 2, [1, 2, 3, Number.NaN]));
  assert.ok(f);
  assert.deepEqual([f.kind, f.key, f.seq, f.generation, f.start, f.step], [2, 17, 4000000000, 3, 1700000000000, 5000]);
  assert.deepEqual([...f.values], [1, 2, 3, Number.NaN]);
});

test("a frame that is cut off or of another version is no frame", () => {
  assert.equal(decodeFrame(new ArrayBuffer(10)), null);
  assert.equal(decodeFrame(frame(2, 2, [1, 2, 3])), null);
  const other = frame(1, 1, [1]);
  new DataView(other).setUint8(0, 9);
  assert.equal(decodeFrame(other), null);
});
