// The binary frames of /api/live, as docs/format/live.md draws them.

export const FRAME_VERSION = 1;
export const FRAME_HEADER = 40; // bytes

export const enum FrameKind {
  snapshot = 1, // replaces all points
  delta = 2, // the points that follow
  gap = 3, // points from before that were missed
}

export interface Frame {
  kind: number;
  key: number;
  seq: number; // number of the last point: its time / step, modulo 2^32
  generation: number; // of the list of series
  start: number; // ms, of the first point
  step: number; // ms
  series: number;
  points: number;
  values: Float64Array; // series by series, NaN where there is none
}

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export function decodeFrame(bytes: ArrayBuffer): Frame | null {
  if (bytes.byteLength < FRAME_HEADER) return null;
  const view = new DataView(bytes);
  if (view.getUint8(0) !== FRAME_VERSION) return null;
  const series = view.getUint32(32, true);
  const points = view.getUint32(36, true);
  const count = series * points;
  if (bytes.byteLength !== FRAME_HEADER + count * 8) return null;
  let values: Float64Array;
  if (LITTLE) values = new Float64Array(bytes, FRAME_HEADER, count);
  else {
    values = new Float64Array(count);
    for (let i = 0; i < count; i++) values[i] = view.getFloat64(FRAME_HEADER + i * 8, true);
  }
  return {
    kind: view.getUint8(1),
    key: view.getUint32(4, true),
    seq: view.getUint32(8, true),
    generation: view.getUint32(12, true),
    start: Number(view.getBigInt64(16, true)),
    step: view.getUint32(24, true),
    series,
    points,
    values,
  };
}
