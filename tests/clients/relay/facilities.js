// A list of the root, growing and shrinking. Only the compiler reads this.
const { graphql } = require('relay-runtime');

graphql`
  query facilitiesQuery($count: Int!, $where: FacilityWhere) {
    ...facilities_list @arguments(count: $count, where: $where)
  }
`;

graphql`
  fragment facilities_list on Query
  @argumentDefinitions(count: {type: "Int!"}, cursor: {type: "String"}, where: {type: "FacilityWhere"})
  @refetchable(queryName: "facilitiesPageQuery") {
    facilities(first: $count, after: $cursor, where: $where, orderBy: [{name: ASC}, {code: ASC}])
      @connection(key: "facilities_facilities") {
      __id
      totalCount
      edges {
        node {
          code
          ... on Reservoir {
            volume
          }
        }
      }
    }
  }
`;

graphql`
  mutation facilitiesAddMutation($input: ReservoirCreateInput!, $connections: [ID!]!) {
    createReservoir(input: $input) {
      reservoir @prependNode(connections: $connections, edgeTypeName: "FacilityEdge") {
        id
        code
        volume
      }
    }
  }
`;

graphql`
  mutation facilitiesRemoveMutation($id: ID!, $connections: [ID!]!) {
    deleteReservoir(id: $id) {
      deletedId @deleteEdge(connections: $connections)
    }
  }
`;
