// Words of the label review: key: [English, Chinese].

export const REVIEW = {} as const;
