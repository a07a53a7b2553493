/** The page's beginning: the configuration, then everything. */

import "./styles/index.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App.js";
import { RingbackProvider } from "./ringback.js";
import { begin, ServicesProvider } from "./services.js";
import { Unreachable } from "./views/Unreachable.js";

const element = document.getElementById("app");
if (element === null) throw new Error("index.html has no #app");
const root = createRoot(element);

let isStarting = false;

async function start(): Promise<void> {
  if (isStarting) return;
  isStarting = true;
  try {
    const services = await begin();
    services.outbox.resume();
    root.render(
      <StrictMode>
        <ServicesProvider value={services}>
          <RingbackProvider client={services.client}>
            <App />
          </RingbackProvider>
        </ServicesProvider>
      </StrictMode>,
    );
  } catch (error) {
    const why = error instanceof Error ? error.message : "The page cannot begin.";
    root.render(<Unreachable why={why} onAgain={() => void start()} />);
    isStarting = false;
  }
}

void start();
