/** The hooks of `ringback/react` with the types of this server's tasks and topics. */

import { createHooks } from "ringback/react";
import type { AskApi } from "./types.js";

export const { RingbackProvider, useClient, useConnection, useOperation, useSubmit, useTopic } =
  createHooks<AskApi>();
