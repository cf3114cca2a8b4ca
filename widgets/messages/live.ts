// Words of the live panel of runs: key: [English, Chinese].

export const LIVE = {} as const;
