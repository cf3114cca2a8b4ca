// A node of the picture: its ports, how far it is, and what is wrong with it.

import { Handle, Position, type Node, type NodeProps } from "@xyflow/react";
import { memo } from "react";
import { t, type Key } from "./messages";
import type { NodeKind, NodeWork, Port, Problem } from "./workflow_state";

export interface NodeData extends Record<string, unknown> {
  name: string;
  label: string;
  kind: NodeKind;
  work: NodeWork | undefined;
  problems: Problem[];
}

export type StepNode = Node<NodeData, "step">;

/** Icons on a field of 16 by 16: what a state looks like where colours are not told apart. */
const ICONS: Record<string, string> = {
  waiting: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 1.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM7.3 5v3.6l2.6 1.6.7-1.2-1.9-1.1V5z",
  running: "M4 2.5v11l9-5.5z",
  done: "M6.2 12.6 2 8.4l1.3-1.3 2.9 2.9 6.5-6.6L14 4.7z",
  unchanged: "M2 5.2h12v1.8H2zm0 3.8h12v1.8H2z",
  failed: "M3.6 2.3 8 6.7l4.4-4.4 1.3 1.3L9.3 8l4.4 4.4-1.3 1.3L8 9.3l-4.4 4.4-1.3-1.3L6.7 8 2.3 3.6z",
  stopped: "M3 3h10v10H3z",
  blocked: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8zM4.5 7.2h7v1.6h-7z",
  idle: "M2 7.2h12v1.6H2z",
};

export function titleOf(kind: string): string {
  return t(`wf_${kind}` as Key);
}

export function portName(name: string): string {
  return t(`wf_port_${name}` as Key);
}

export function StateMark({ work }: { work: NodeWork }) {
  return (
    <span className={`mf-wf-state mf-wf-${work.state}`}>
      <svg viewBox="0 0 16 16" width="11" height="11" aria-hidden="true">
        <path d={ICONS[work.state] ?? ICONS["waiting"]} fill="currentColor" />
      </svg>
      {t(`wf_${work.state}` as Key)}
    </span>
  );
}

function PortRow({ port, side, wrong }: { port: Port; side: "in" | "out"; wrong: string[] }) {
  const label = t(side === "in" ? "wf_input" : "wf_output", { port: portName(port.name) });
  return (
    <div className={`mf-wf-port mf-wf-port-${side}${wrong.length > 0 ? " mf-bad" : ""}`} title={wrong.join(" ")}>
      <Handle
        type={side === "in" ? "target" : "source"}
        position={side === "in" ? Position.Left : Position.Right}
        id={port.name}
        aria-label={label}
        className={`mf-wf-type-${port.type}`}
      />
      <span>{portName(port.name)}</span>
    </div>
  );
}

function Step({ data }: NodeProps<StepNode>) {
  const { kind, work, problems } = data;
  const at = (port: Port) => problems.filter((one) => one.port === port.name).map((one) => one.sentence);
  const sentences = problems.map((one) =>
    [one.port ?? one.path.join("."), one.sentence].filter((part) => part !== "").join(": "),
  );
  return (
    <div className={`mf-wf-node${problems.length > 0 ? " mf-bad" : ""}`} data-node={data.name}>
      <div className="mf-wf-title">
        <strong>{data.label === "" ? titleOf(kind.name) : data.label}</strong>
        {work !== undefined && <StateMark work={work} />}
      </div>
      <div className="mf-wf-name">{data.label === "" ? data.name : `${titleOf(kind.name)} · ${data.name}`}</div>
      <div className="mf-wf-ports">
        <div>
          {kind.inputs.map((port) => (
            <PortRow key={port.name} port={port} side="in" wrong={at(port)} />
          ))}
        </div>
        <div>
          {kind.outputs.map((port) => (
            <PortRow key={port.name} port={port} side="out" wrong={[]} />
          ))}
        </div>
      </div>
      {work !== undefined && work.sentence !== "" && problems.length === 0 && (
        <div className={`mf-wf-said mf-wf-${work.state}`} title={work.sentence}>
          {work.sentence}
        </div>
      )}
      {sentences.length > 0 && (
        <div className="mf-wf-said mf-wf-failed" role="alert" title={sentences.join("\n")}>
          {sentences[0]}
          {sentences.length > 1 ? ` (+${sentences.length - 1})` : ""}
        </div>
      )}
    </div>
  );
}

export const StepView = memo(Step);
