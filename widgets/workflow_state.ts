// What the kernel says of a workflow: the browser's types of medfusion/widgets/workflow_editor.py.

import type { Schema } from "./schema";

export interface Port {
  name: string;
  type: string;
  required: boolean;
  several: boolean;
}

export interface NodeKind {
  name: string;
  inputs: Port[];
  outputs: Port[];
  summary: string;
}

export interface WorkNode {
  kind: string;
  label?: string;
  settings?: Record<string, unknown>;
  position?: [number, number];
}

export interface Edge {
  source: string;
  target: string;
}

export interface Problem {
  sentence: string;
  node: string | null;
  port: string | null;
  path: (string | number)[];
  edge: number | null;
}

export interface NodeWork {
  state: string;
  sentence: string;
  seconds: number | null;
}

export interface State {
  workflow: {
    name?: string;
    description?: string;
    nodes?: Record<string, WorkNode>;
    edges?: Edge[];
  };
  problems: Problem[];
  steps: [number, number];
  name: string;
  file: string | null;
  folder: string;
  codes: Record<string, { yaml: string; python: string }>;
  work: { state: string; path: string | null; nodes: Record<string, NodeWork>; error?: string };
}

export interface Catalogue {
  kinds: NodeKind[];
  preprocessing: string[];
  schema: Schema;
  templates: { name: string; title: string; summary: string }[];
}

/** Asks the kernel; what it refuses is shown. */
export type Ask = (name: string, values?: Record<string, unknown>) => void;

export function nodesOf(state: State): Record<string, WorkNode> {
  return state.workflow.nodes ?? {};
}

export function edgesOf(state: State): Edge[] {
  return state.workflow.edges ?? [];
}

/** Node and port of an end of an edge. */
export function endOf(place: string): [node: string, port: string] {
  const dot = place.indexOf(".");
  return [place.slice(0, dot), place.slice(dot + 1)];
}

/** Whether the work goes on now. */
export function isActive(state: State): boolean {
  return ["running", "paused", "evaluating"].includes(state.work.state);
}

/** All nodes that lead to a node. */
export function before(state: State, name: string): Set<string> {
  const found = new Set<string>();
  const ahead = [name];
  while (ahead.length > 0) {
    const here = ahead.pop()!;
    for (const edge of edgesOf(state)) {
      const [source] = endOf(edge.source);
      const [target] = endOf(edge.target);
      if (target !== here || found.has(source)) continue;
      found.add(source);
      ahead.push(source);
    }
  }
  return found;
}

/** Outputs that may be joined to an input: of the same type, and not of what follows from it. */
export function outputsFor(
  state: State,
  kinds: Map<string, NodeKind>,
  name: string,
  port: Port,
): string[] {
  return Object.entries(nodesOf(state))
    .filter(([other]) => other !== name && !before(state, other).has(name))
    .flatMap(([other, node]) =>
      (kinds.get(node.kind)?.outputs ?? [])
        .filter((output) => output.type === port.type)
        .map((output) => `${other}.${output.name}`),
    );
}
