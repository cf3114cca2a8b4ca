// The side of the picture: the settings of the node that is selected, and the code of all.

import { useEffect, useRef, useState } from "react";
import { t } from "./messages";
import { portName, StateMark, titleOf } from "./workflow_node";
import { NodeSettings } from "./workflow_settings";
import {
  edgesOf,
  nodesOf,
  outputsFor,
  type Ask,
  type Catalogue,
  type NodeKind,
  type State,
} from "./workflow_state";

interface SideProps {
  state: State;
  catalogue: Catalogue;
  kinds: Map<string, NodeKind>;
  selected: string | null;
  ask: Ask;
}

const TABS = ["node", "yaml", "python", "file"] as const;
type Tab = (typeof TABS)[number];
const TITLES: Record<Tab, () => string> = {
  node: () => t("wf_node"),
  yaml: () => "YAML",
  python: () => "Python",
  file: () => ".medfusion",
};

export function Side(props: SideProps) {
  const [tab, setTab] = useState<Tab>("node");
  const { state, selected } = props;
  const codes = Object.entries(state.codes);
  const text: Record<Exclude<Tab, "node">, string> = {
    yaml: joined(codes.map(([name, code]) => [name, code.yaml])),
    python: joined(codes.map(([name, code]) => [name, code.python])) || t("code_waits"),
    file: JSON.stringify(state.workflow, null, 1),
  };
  const move = (event: React.KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: TABS.length - 1 }[event.key];
    if (step === undefined) return;
    const next = TABS[(TABS.indexOf(tab) + step) % TABS.length]!;
    setTab(next);
    const bar = event.currentTarget;
    requestAnimationFrame(() => bar.querySelector<HTMLElement>('[aria-selected="true"]')?.focus());
  };
  return (
    <aside className="mf-wf-side mf-builder">
      <div className="mf-tab-bar" role="tablist" aria-label={t("wf_node")} onKeyDown={move}>
        {TABS.map((one) => (
          <button
            key={one}
            type="button"
            role="tab"
            aria-selected={one === tab}
            tabIndex={one === tab ? 0 : -1}
            onClick={() => setTab(one)}
          >
            {TITLES[one]()}
          </button>
        ))}
      </div>
      <div className="mf-pane mf-wf-pane" role="tabpanel" tabIndex={0} aria-label={TITLES[tab]()}>
        {tab !== "node" ? (
          <pre className="mf-code" aria-label={TITLES[tab]()}>
            {text[tab]}
          </pre>
        ) : selected === null || nodesOf(state)[selected] === undefined ? (
          <Whole {...props} />
        ) : (
          <Chosen {...props} selected={selected} key={selected} />
        )}
      </div>
    </aside>
  );
}

/** Nothing is selected: the workflow itself. */
function Whole({ state, ask }: SideProps) {
  const general = state.problems.filter((one) => one.node === null);
  return (
    <div>
      <Words id="mf-wf-name" label={t("wf_name")} value={state.workflow.name ?? "workflow"} say={(name) => ask("describe", { name })} />
      <Words
        id="mf-wf-description"
        label={t("wf_description")}
        value={state.workflow.description ?? ""}
        say={(description) => ask("describe", { description })}
      />
      <p className="mf-empty">{t("wf_select")}</p>
      {general.map((one) => (
        <p className="mf-empty" key={one.sentence}>
          {one.sentence}
        </p>
      ))}
      {state.work.error !== undefined && <p role="alert">{state.work.error}</p>}
    </div>
  );
}

function Chosen({ state, catalogue, kinds, selected, ask }: SideProps & { selected: string }) {
  const node = nodesOf(state)[selected]!;
  const kind = kinds.get(node.kind)!;
  const work = state.work.nodes[selected];
  const other = state.problems.filter((one) => one.node === selected && one.path.length === 0);
  return (
    <div>
      <div className="mf-wf-title">
        <strong>{titleOf(node.kind)}</strong>
        {work !== undefined && <StateMark work={work} />}
        {work?.seconds != null && <span className="mf-help">{t("wf_seconds", { seconds: work.seconds })}</span>}
      </div>
      <p className="mf-empty">{kind.summary}</p>
      {work !== undefined && work.sentence !== "" && (
        <p className={`mf-wf-result mf-wf-${work.state}`}>{work.sentence}</p>
      )}
      {other.map((one) => (
        <p key={`${one.port}${one.sentence}`} className="mf-wf-result mf-wf-failed" role="alert">
          {[one.port ?? "", one.sentence].filter((part) => part !== "").join(": ")}
        </p>
      ))}
      <Words
        id="mf-wf-label"
        label={t("wf_label")}
        value={node.label ?? ""}
        say={(text) => ask("label", { node: selected, text, merge: true })}
      />
      <Inputs {...{ state, kinds, selected, ask }} kind={kind} />
      <Settings {...{ state, catalogue, selected, ask }} kind={node.kind} />
    </div>
  );
}

/** What each input takes: edges without a mouse. */
function Inputs({
  state,
  kinds,
  kind,
  selected,
  ask,
}: Pick<SideProps, "state" | "kinds" | "ask"> & { kind: NodeKind; selected: string }) {
  if (kind.inputs.length === 0) return null;
  const edges = edgesOf(state);
  const number = (source: string, target: string) =>
    edges.findIndex((edge) => edge.source === source && edge.target === target);
  return (
    <fieldset className="mf-entry">
      <legend className="mf-name">{t("wf_inputs")}</legend>
      {kind.inputs.map((port) => {
        const target = `${selected}.${port.name}`;
        const joined = edges.filter((edge) => edge.target === target).map((edge) => edge.source);
        const outputs = outputsFor(state, kinds, selected, port);
        const offered = [...new Set([...joined, ...outputs])];
        const cut = (source: string) => ask("delete", { nodes: [], edges: [number(source, target)] });
        if (port.several) {
          return offered.map((source) => (
            <label key={source} className="mf-wf-check">
              <input
                type="checkbox"
                checked={joined.includes(source)}
                onChange={(event) => (event.target.checked ? ask("connect", { source, target }) : cut(source))}
              />
              {source}
            </label>
          ));
        }
        return (
          <label key={port.name} className="mf-wf-line">
            <span className="mf-name">{portName(port.name)}</span>
            <select
              value={joined[0] ?? ""}
              onChange={(event) => {
                if (event.target.value === "") cut(joined[0]!);
                else ask("connect", { source: event.target.value, target });
              }}
            >
              <option value="">{t("wf_none_joined")}</option>
              {offered.map((source) => (
                <option key={source} value={source}>
                  {source}
                </option>
              ))}
            </select>
          </label>
        );
      })}
    </fieldset>
  );
}

/** The forms, which are not React's: they are put into the page and told of each new state. */
function Settings({
  state,
  catalogue,
  kind,
  selected,
  ask,
}: Pick<SideProps, "state" | "catalogue" | "ask"> & { kind: string; selected: string }) {
  const place = useRef<HTMLDivElement>(null);
  const settings = useRef<NodeSettings | null>(null);
  const [empty, setEmpty] = useState(false);
  useEffect(() => {
    settings.current = new NodeSettings(selected, kind, catalogue, state, ask);
    setEmpty(settings.current.isEmpty);
    place.current?.replaceChildren(settings.current.node);
    // The state is told below; another node is another component.
  }, [selected, kind, catalogue, ask]);
  useEffect(() => settings.current?.update(state), [state]);
  return (
    <>
      <div ref={place} />
      {empty && <p className="mf-empty">{t("wf_no_settings")}</p>}
    </>
  );
}

/** A line of text that is sent while it is written, and shown as the kernel has it afterwards. */
function Words({ id, label, value, say }: { id: string; label: string; value: string; say: (text: string) => void }) {
  const [typed, setTyped] = useState<string | null>(null);
  return (
    <label className="mf-wf-line">
      <span className="mf-name">{label}</span>
      <input
        id={id}
        type="text"
        autoComplete="off"
        value={typed ?? value}
        onChange={(event) => {
          setTyped(event.target.value);
          say(event.target.value);
        }}
        onBlur={() => setTyped(null)}
      />
    </label>
  );
}

function joined(parts: [string, string][]): string {
  const written = parts.filter(([, text]) => text !== "");
  if (written.length < 2) return written[0]?.[1] ?? "";
  return written.map(([name, text]) => `# ${name}\n${text}`).join("\n");
}
