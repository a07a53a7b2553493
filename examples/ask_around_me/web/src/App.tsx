/** The page: header, map, the view beside it, and the panel. */

import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { DetailView } from "./detail.js";
import { useAround } from "./feed.js";
import { Panel } from "./panel/Panel.js";
import { ConnectionChip } from "./parts/Connection.js";
import { Icon } from "./parts/icons.js";
import { Announcer } from "./parts/Notice.js";
import { Identity, SignInProvider } from "./parts/SignIn.js";
import { useServices, useStore } from "./services.js";
import { nearest } from "./state/board.js";
import { useLeaving, useRoute } from "./state/hooks.js";
import { BARE, type Overlay, OverlayProvider } from "./state/overlay.js";
import { firstPlace, keepPlace, type Place } from "./state/place.js";
import { hashOf, type Route } from "./state/route.js";
import type { Sending } from "./uploads.js";
import { Ask } from "./views/Ask.js";
import { Home } from "./views/Home.js";
import { type Camera, MapPane } from "./views/MapPane.js";
import { QuestionView } from "./views/QuestionView.js";

/** Milliseconds that the map has to rest before the simulated neighbours follow. */
const NEIGHBOURS = 1_500;

export function App() {
  const { config, outbox, uploads, api, signIn } = useServices();
  const route = useRoute();
  const [place, setPlace] = useState<Place>(() => firstPlace(config));
  const [overlay, setOverlay] = useState<Overlay>(BARE);
  const [camera, setCamera] = useState<Camera | null>(null);
  const [isOpen, setOpen] = useState(false);
  const toggle = useRef<HTMLButtonElement>(null);
  const around = useAround(place.at);
  const { board, dispatch } = around;
  const near = useMemo(() => nearest(board), [board]);
  const view = useFocus(route);
  useLeaving(useStore(uploads.list).some(isLost));

  useEffect(() => keepPlace(place), [place]);
  useEffect(() => {
    outbox.onAsked = (question) => {
      dispatch({ type: "told", questions: [question] });
      // It is one's own: nothing new to whoever asked it.
      dispatch({ type: "seen", ids: [question.id] });
      uploads.start(question.id);
    };
  }, [outbox, uploads, dispatch]);
  useEffect(() => {
    void signIn.token().catch(() => undefined);
  }, [signIn]);
  useEffect(() => {
    if (config.demo === null) return undefined;
    const timer = setTimeout(() => void api.moveNeighbours(place.at).catch(() => {}), NEIGHBOURS);
    return () => clearTimeout(timer);
  }, [config.demo, api, place.at]);

  const onDetail = useCallback(
    ({ question, mine }: DetailView) => {
      if (question === null) return;
      dispatch({ type: "told", questions: [question] });
      dispatch({ type: "answered", question: question.id, answer: mine });
      dispatch({ type: "seen", ids: [question.id] });
    },
    [dispatch],
  );

  return (
    <SignInProvider>
      <OverlayProvider value={setOverlay}>
        <button
          type="button"
          className="skip"
          onClick={() => view.current?.querySelector<HTMLElement>("h1")?.focus()}
        >
          Skip to what is asked
        </button>
        <header className="top">
          <a className="brand" href={hashOf({ view: "home" })}>
            <img src="/static/icon.svg" alt="" width="28" height="28" />
            <span>Ask Around Me</span>
          </a>
          <ConnectionChip />
          {config.demo !== null && (
            <button
              type="button"
              ref={toggle}
              className="quiet"
              aria-expanded={isOpen}
              onClick={() => setOpen(!isOpen)}
            >
              <Icon name="wire" />
              <span className="wide-only">Wire</span>
            </button>
          )}
          <Identity />
        </header>
        <div className="stage" data-view={route.view}>
          <main className="view" id="view" ref={view}>
            {route.view === "home" && (
              <Home place={place} onPlace={setPlace} around={around} near={near} />
            )}
            {route.view === "ask" && <Ask centre={place.at} />}
            {route.view === "question" && (
              <QuestionView
                key={route.id}
                id={route.id}
                known={board.questions.get(route.id)}
                centre={place.at}
                middle={camera?.center ?? place.at}
                onDetail={onDetail}
              />
            )}
          </main>
          <MapPane
            place={place}
            onPlace={setPlace}
            camera={camera}
            onCamera={setCamera}
            overlay={overlay}
            near={near}
            fresh={board.fresh}
          />
        </div>
        {isOpen && (
          <Panel
            onClose={() => {
              setOpen(false);
              toggle.current?.focus();
            }}
          />
        )}
        <Announcer />
      </OverlayProvider>
    </SignInProvider>
  );
}

/** Whether a photo would be lost with the page: no other place has it, and it may yet be taken. */
function isLost({ isSent, failure }: Sending): boolean {
  return !isSent && (failure === null || failure.reason === null);
}

const TITLES: Readonly<Record<Route["view"], string>> = {
  home: "Ask Around Me",
  ask: "Ask · Ask Around Me",
  question: "Question · Ask Around Me",
};

/**
 * Gives the focus to the heading of each view that comes; back in the list, to the question one
 * comes from, where one was.
 */
function useFocus(route: Route) {
  const view = useRef<HTMLElement>(null);
  const before = useRef<Route>(route);
  useEffect(() => {
    document.title = TITLES[route.view];
    const from = before.current;
    before.current = route;
    const root = view.current;
    if (from === route || root === null) return;
    const id = from.view === "question" && route.view === "home" ? from.id : null;
    const card = id === null ? null : root.querySelector<HTMLElement>(`[data-question="${id}"] a`);
    if (card !== null) {
      card.focus();
      card.scrollIntoView({ block: "center" });
      return;
    }
    root.scrollTop = 0;
    window.scrollTo(0, 0);
    root.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }, [route]);
  return view;
}
