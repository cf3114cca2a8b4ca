// The workflow editor: the browser side of medfusion/widgets/workflow_editor.py.

import {
  applyNodeChanges,
  Background,
  Controls,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
  useUpdateNodeInternals,
  type Connection as Joint,
  type Edge as FlowEdge,
  type NodeChange,
} from "@xyflow/react";
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { createRoot } from "react-dom/client";
import { Connection, Refusal } from "./connection";
import { whileShown } from "./keys";
import { t, type Key } from "./messages";
import type { Model } from "./model";
import { Side } from "./workflow_side";
import { StepView, titleOf, type StepNode } from "./workflow_node";
import { edgesOf, endOf, isActive, nodesOf, type Ask, type Catalogue, type NodeKind, type State } from "./workflow_state";

const DRAGGED = "application/x-medfusion-node";
const TYPES = { step: StepView };
const FIT = { maxZoom: 1, padding: 0.12 };

interface Told {
  text: string;
  isBad: boolean;
}

function Editor({ model }: { model: Model }) {
  const state = useSyncExternalStore(
    useCallback(
      (changed) => {
        model.on("change:state", changed);
        return () => model.off("change:state", changed);
      },
      [model],
    ),
    () => model.get("state") as State,
  );
  const [told, setTold] = useState<Told>({ text: "", isBad: false });
  const [waits, setWaits] = useState(false);
  const [catalogue, setCatalogue] = useState<Catalogue | null>(null);
  const connection = useRef<Connection | null>(null);

  const request = useCallback(
    async (name: string, values: Record<string, unknown> = {}) => {
      try {
        const answered = await connection.current?.ask(name, values);
        setTold({ text: "", isBad: false });
        return answered?.values;
      } catch (refusal) {
        const text = refusal instanceof Refusal ? refusal.message : String(refusal);
        setTold({ text, isBad: true });
        return undefined;
      }
    },
    [],
  );
  const ask: Ask = useCallback((name, values) => void request(name, values), [request]);

  useEffect(() => {
    connection.current = new Connection(model, setWaits);
    void request("catalogue").then((found) => {
      if (found !== undefined) setCatalogue(found as unknown as Catalogue);
    });
    return () => connection.current?.close();
  }, [model, request]);

  const key = (event: React.KeyboardEvent) => {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || typing) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook's own undo stays out of it
    ask(event.shiftKey ? "redo" : "undo");
  };
  const notice = waits ? t("busy") : told.text;
  return (
    <section className="mf-panel mf-workflow" onKeyDown={key} data-lm-suppress-shortcuts="true">
      <Head {...{ state, catalogue, ask, request, setTold }} />
      <div className={`mf-notice${told.isBad && !waits ? " mf-bad" : ""}`} aria-live="polite" title={notice}>
        {notice}
      </div>
      {catalogue !== null && (
        <ReactFlowProvider>
          <Drawing {...{ state, catalogue, ask, request }} />
        </ReactFlowProvider>
      )}
    </section>
  );
}

type Request = (name: string, values?: Record<string, unknown>) => Promise<Record<string, unknown> | undefined>;

interface HeadProps {
  state: State;
  catalogue: Catalogue | null;
  ask: Ask;
  request: Request;
  setTold: (told: Told) => void;
}

function Head({ state, catalogue, ask, request, setTold }: HeadProps) {
  const file = useRef<HTMLInputElement>(null);
  const active = isActive(state);
  const save = async () => {
    const found = await request("save");
    if (found === undefined) return;
    const notes = (found["notes"] as string[]) ?? [];
    setTold({ text: [t("wf_exported", { path: String(found["path"]) }), ...notes].join(" "), isBad: false });
  };
  const stop = async () => {
    if ((await request("stop")) !== undefined) setTold({ text: t("wf_stopping"), isBad: false });
  };
  const take = async (chosen: File | undefined) => {
    if (chosen === undefined) return;
    await request("take", { name: chosen.name, content: await chosen.text() });
    if (file.current !== null) file.current.value = ""; // the same file may be chosen again
  };
  const count = state.problems.length;
  return (
    <header>
      <h3 title={state.folder}>{state.file ?? state.workflow.name ?? "workflow"}</h3>
      <span className={`mf-wf-sum${count > 0 ? " mf-warn" : ""}`}>
        {active || count === 0
          ? `${count === 0 ? t("wf_valid") : t("problems", { count })} · ${t(`wf_${state.work.state}` as Key)}`
          : t("problems", { count })}
      </span>
      <div className="mf-controls" role="group">
        <Button id="undo" act={() => ask("undo")} off={state.steps[0] === 0} />
        <Button id="redo" act={() => ask("redo")} off={state.steps[1] === 0} />
        <Button id="wf_arrange" act={() => ask("arrange")} off={Object.keys(nodesOf(state)).length < 2} />
        <select
          aria-label={t("wf_template")}
          className="mf-wf-templates"
          value=""
          onChange={(event) => ask("template", { name: event.target.value })}
        >
          <option value="" disabled>
            {t("wf_template")}
          </option>
          {catalogue?.templates.map((one) => (
            <option key={one.name} value={one.name} title={one.summary}>
              {one.title}
            </option>
          ))}
        </select>
        <Button id="wf_import" act={() => file.current?.click()} />
        <input
          ref={file}
          type="file"
          accept=".medfusion,.yaml,.yml"
          aria-label={t("wf_import")}
          hidden
          onChange={(event) => void take(event.target.files?.[0])}
        />
        <Button id="wf_export" act={() => void save()} />
        {active ? (
          <Button id="wf_stop" act={() => void stop()} />
        ) : (
          <Button id="wf_run" act={() => ask("run")} off={count > 0} isMain />
        )}
      </div>
    </header>
  );
}

function Button({ id, act, off = false, isMain = false }: { id: Key; act: () => void; off?: boolean; isMain?: boolean }) {
  return (
    <button type="button" className={`mf-button${isMain ? " mf-wf-main" : ""}`} disabled={off} onClick={act}>
      {t(id)}
    </button>
  );
}

interface DrawingProps {
  state: State;
  catalogue: Catalogue;
  ask: Ask;
  request: Request;
}

function Drawing({ state, catalogue, ask, request }: DrawingProps) {
  const kinds = useMemo(() => new Map(catalogue.kinds.map((kind) => [kind.name, kind])), [catalogue]);
  const [nodes, setNodes] = useState<StepNode[]>([]);
  const [cut, setCut] = useState<ReadonlySet<string>>(new Set());
  const flow = useReactFlow();
  const count = Object.keys(nodesOf(state)).length;
  const wanted = useRef<string | null>(null); // a new node is selected once it is there

  // The kernel's nodes, with what only this view knows of them: which are selected, their size.
  useEffect(() => {
    setNodes((shown) => {
      const known = new Map(shown.map((one) => [one.id, one]));
      return Object.entries(nodesOf(state)).flatMap(([name, node]) => {
        const kind = kinds.get(node.kind);
        if (kind === undefined) return [];
        const before = known.get(name);
        const isWanted = wanted.current === name;
        const made: StepNode = {
          ...(before ?? { type: "step" as const }),
          id: name,
          position: before?.dragging ? before.position : { x: node.position?.[0] ?? 0, y: node.position?.[1] ?? 0 },
          selected: wanted.current === null ? (before?.selected ?? false) : isWanted,
          ariaLabel: `${titleOf(node.kind)} ${node.label ?? ""} ${name}`,
          data: {
            name,
            kind,
            label: node.label ?? "",
            work: state.work.nodes[name],
            problems: state.problems.filter((one) => one.node === name),
          },
        };
        return [made];
      });
    });
    if (wanted.current !== null && nodesOf(state)[wanted.current] !== undefined) wanted.current = null;
  }, [state, kinds]);

  // A node that is told something new while it is being measured loses its ports, and they are not
  // measured again by themselves: no edge could begin or end there.
  const measure = useUpdateNodeInternals();
  useEffect(() => {
    const lost = nodes
      .filter((one) => one.measured !== undefined && flow.getInternalNode(one.id)?.internals.handleBounds === undefined)
      .map((one) => one.id);
    if (lost.length > 0) measure(lost);
  }, [nodes, flow, measure]);

  const edges = useMemo(() => edgesFor(state, kinds, cut), [state, kinds, cut]);
  const selected = nodes.filter((one) => one.selected);

  // Another workflow is shown whole.
  const shownOnce = useRef(0);
  useEffect(() => {
    if (Math.abs(count - shownOnce.current) > 1) setTimeout(() => void flow.fitView(FIT), 60);
    shownOnce.current = count;
  }, [count, flow]);
  const places = useMemo(() => JSON.stringify(Object.values(nodesOf(state)).map((one) => one.position)), [state]);
  const arranged = useRef(places);
  useEffect(() => {
    const before = JSON.parse(arranged.current) as unknown[];
    const now = JSON.parse(places) as unknown[];
    const moved = now.filter((one, at) => JSON.stringify(one) !== JSON.stringify(before[at])).length;
    if (now.length === before.length && moved > 1) setTimeout(() => void flow.fitView(FIT), 60);
    arranged.current = places;
  }, [places, flow]);

  const canvas = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let width = canvas.current?.clientWidth ?? 0;
    const observer = new ResizeObserver(() => {
      const now = canvas.current?.clientWidth ?? 0;
      if (Math.abs(now - width) > 40) void flow.fitView(FIT);
      width = now;
    });
    if (canvas.current !== null) observer.observe(canvas.current);
    return () => observer.disconnect();
  }, [flow]);

  const change = (changes: NodeChange<StepNode>[]) => {
    setNodes((shown) => applyNodeChanges(changes, shown));
    const moved: Record<string, [number, number]> = {};
    for (const one of changes) {
      if (one.type === "position" && one.dragging === false && one.position !== undefined) {
        moved[one.id] = [Math.round(one.position.x), Math.round(one.position.y)];
      }
    }
    if (Object.keys(moved).length > 0) ask("move", { positions: moved });
  };
  const add = async (kind: string, position: [number, number] | null) => {
    const found = await request("add", { kind, position });
    if (found === undefined) return;
    const name = String(found["name"]);
    wanted.current = name;
    setNodes((shown) => {
      if (shown.some((one) => one.id === name)) wanted.current = null;
      return shown.map((one) => ({ ...one, selected: one.id === name }));
    });
  };
  const drop = (event: React.DragEvent) => {
    const kind = event.dataTransfer.getData(DRAGGED);
    if (kind === "") return;
    event.preventDefault();
    const at = flow.screenToFlowPosition({ x: event.clientX - 80, y: event.clientY - 20 });
    void add(kind, [Math.round(at.x), Math.round(at.y)]);
  };
  const fits = (joint: Joint | FlowEdge) => {
    const gives = portOf(kinds, nodesOf(state)[joint.source]?.kind, "outputs", joint.sourceHandle);
    const takes = portOf(kinds, nodesOf(state)[joint.target]?.kind, "inputs", joint.targetHandle);
    return joint.source !== joint.target && gives !== undefined && gives.type === takes?.type;
  };

  return (
    <div className="mf-wf-body">
      <Palette kinds={catalogue.kinds} add={(kind) => void add(kind, null)} />
      <div
        ref={canvas}
        className="mf-wf-canvas"
        role="application"
        aria-label={t("wf_canvas")}
        onDragOver={(event) => {
          if (!event.dataTransfer.types.includes(DRAGGED)) return;
          event.preventDefault();
          event.dataTransfer.dropEffect = "copy";
        }}
        onDrop={drop}
      >
        <ReactFlow
          nodes={nodes}
          edges={edges}
          nodeTypes={TYPES}
          onNodesChange={change}
          onEdgesChange={(changes) =>
            setCut((before) => {
              const after = new Set(before);
              for (const one of changes) {
                if (one.type !== "select") continue;
                if (one.selected) after.add(one.id);
                else after.delete(one.id);
              }
              return after;
            })
          }
          onConnect={(joint) =>
            ask("connect", {
              source: `${joint.source}.${joint.sourceHandle}`,
              target: `${joint.target}.${joint.targetHandle}`,
            })
          }
          isValidConnection={fits}
          onBeforeDelete={async (gone) => {
            const numbers = gone.edges.map((edge) => Number(edge.id.split("|")[0]));
            ask("delete", { nodes: gone.nodes.map((node) => node.id), edges: numbers });
            return false; // the kernel takes them out, and undo brings them back
          }}
          deleteKeyCode={["Delete", "Backspace"]}
          fitView
          fitViewOptions={FIT}
          minZoom={0.2}
          maxZoom={2}
          preventScrolling={false}
          zoomOnScroll={false}
          proOptions={{ hideAttribution: true }}
        >
          <Background gap={20} />
          <Controls showInteractive={false} fitViewOptions={FIT} />
        </ReactFlow>
        {count === 0 && <div className="mf-wf-empty">{t("wf_empty")}</div>}
      </div>
      <Side
        {...{ state, catalogue, kinds, ask }}
        selected={selected.length === 1 ? (selected[0]?.id ?? null) : null}
      />
    </div>
  );
}

function Palette({ kinds, add }: { kinds: NodeKind[]; add: (kind: string) => void }) {
  return (
    <div className="mf-wf-palette" role="group" aria-label={t("wf_palette")}>
      {kinds.map((kind) => (
        <button
          key={kind.name}
          type="button"
          className="mf-button"
          draggable
          title={`${kind.summary} ${t("wf_add_hint")}`}
          onDragStart={(event) => {
            event.dataTransfer.setData(DRAGGED, kind.name);
            event.dataTransfer.effectAllowed = "copy";
          }}
          onClick={() => add(kind.name)}
        >
          {titleOf(kind.name)}
        </button>
      ))}
    </div>
  );
}

function portOf(
  kinds: Map<string, NodeKind>,
  kind: string | undefined,
  side: "inputs" | "outputs",
  name: string | null | undefined,
) {
  return kinds.get(kind ?? "")?.[side].find((port) => port.name === name);
}

/** The kernel's edges as they can be drawn; those with a wrong end are told at their node. */
function edgesFor(state: State, kinds: Map<string, NodeKind>, chosen: ReadonlySet<string>): FlowEdge[] {
  const nodes = nodesOf(state);
  const wrong = new Set(state.problems.map((one) => one.edge));
  return edgesOf(state).flatMap((edge, number) => {
    const [source, output] = endOf(edge.source);
    const [target, input] = endOf(edge.target);
    const gives = portOf(kinds, nodes[source]?.kind, "outputs", output);
    const takes = portOf(kinds, nodes[target]?.kind, "inputs", input);
    if (gives === undefined || takes === undefined) return [];
    const id = `${number}|${edge.source}|${edge.target}`;
    return [
      {
        id,
        source,
        target,
        sourceHandle: output,
        targetHandle: input,
        selected: chosen.has(id),
        animated: state.work.nodes[target]?.state === "running",
        className: wrong.has(number) ? "mf-bad" : "",
        ariaLabel: t("wf_edge", { source: edge.source, target: edge.target }),
      },
    ];
  });
}

export default {
  render({ model, el }: { model: Model; el: HTMLElement }) {
    const root = createRoot(el);
    root.render(<Editor model={model} />);
    return whileShown(el, () => root.unmount());
  },
};
