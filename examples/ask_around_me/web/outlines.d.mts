/** Land of the whole world, for small scales. */
export function coarse(): Promise<Uint8Array>;
/** Land and borders of the whole world. */
export function fine(): Promise<Uint8Array>;
