// Words of the data browser: key: [English, Chinese].

export const DATA = {} as const;
