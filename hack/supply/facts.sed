# Keeps of an advisory what a machine needs: its table. What its authors wrote stays with them; the number leads there.
1,/^```$/{
  /^\(url\|keywords\|references\|license\) *=/d
  /^```$/a\
\
# See the advisory of this number
  b
}
d
