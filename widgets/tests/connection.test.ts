import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Connection, Refusal } from "../connection";
import type { Model } from "../model";

type Heard = (reply: object, buffers: DataView[]) => void;
type Sent = { id: string; name: string; values: object };

function kernel() {
  const sent: Sent[] = [];
  const views: Heard[] = [];
  const model = {
    get: () => undefined,
    on: (_event: string, handler: Heard) => views.push(handler),
    off: (_event: string, handler: Heard) => views.splice(views.indexOf(handler), 1),
    send: (content: Sent) => sent.push(content),
  } as unknown as Model;
  const reply = (message: object, buffers: DataView[] = []) =>
    [...views].forEach((hear) => hear({ kind: "answer", ...message }, buffers));
  return { model, sent, reply, views };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("answers find their questions, in any order and view", async () => {
  const { model, sent, reply } = kernel();
  const one = new Connection(model);
  const other = new Connection(model);
  const first = one.ask("rows", { from: 0 });
  const second = other.ask("rows", { from: 9 });
  expect(sent.map(({ name, values }) => [name, values])).toEqual([
    ["rows", { from: 0 }],
    ["rows", { from: 9 }],
  ]);
  const numbers = new DataView(new ArrayBuffer(4));
  reply({ id: sent[1]!.id, values: { n: 2 } }, [numbers]);
  reply({ id: sent[0]!.id, values: { n: 1 } });
  reply({ id: sent[0]!.id, values: { n: 99 } });
  expect(await second).toEqual({ values: { n: 2 }, buffers: [numbers] });
  expect(await first).toEqual({ values: { n: 1 }, buffers: [] });
});

test("a refusal says why", async () => {
  const { model, sent, reply } = kernel();
  const asked = new Connection(model).ask("set");
  reply({ id: sent[0]!.id, error: { type: "InputError", message: "no such place" } });
  const refusal = await asked.catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(Refusal);
  expect(refusal).toMatchObject({ type: "InputError", message: "no such place" });
});

test("a kernel that lets wait is said to be busy until it answers", async () => {
  const { model, sent, reply } = kernel();
  const told: boolean[] = [];
  const connection = new Connection(model, (waits) => told.push(waits));
  const first = connection.ask("a");
  vi.advanceTimersByTime(200);
  const second = connection.ask("b");
  vi.advanceTimersByTime(50);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(100);
  expect(told).toEqual([true]);
  reply({ id: sent[0]!.id });
  await first;
  expect(told).toEqual([true, false]);
  vi.advanceTimersByTime(400);
  expect(told).toEqual([true, false, true]);
  reply({ id: sent[1]!.id });
  await second;
  vi.advanceTimersByTime(1000);
  expect(told).toEqual([true, false, true, false]);
});

test("a closed view hears nothing and leaves nothing behind", () => {
  const { model, views } = kernel();
  const told: boolean[] = [];
  const connection = new Connection(model, (waits) => told.push(waits));
  void connection.ask("a");
  connection.close();
  vi.advanceTimersByTime(1000);
  expect(told).toEqual([]);
  expect(views).toHaveLength(0);
});
